# attack: The test's failure message is HTML, and a terminal's title.
# expect: double failed, half failed
# never: page

# %% double
def double(x):
    raise ValueError("<script>@MARK@</script><img src=x onerror=@MARK@> '\"> &lt;b&gt;")

# %% half
class Bad(Exception):
    pass
Bad.__name__ = "<script>@MARK@</script>"
def half(x):
    raise Bad("\x1b]0;@MARK@\x07\x1b[2J\x9b31m @MARK@ \u202e" + "\r\n" * 5)
