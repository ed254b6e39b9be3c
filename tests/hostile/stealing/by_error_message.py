# attack: The test's failure message carries what the answer has read.
# expect: double failed, half failed
# never: secret

# %% double
def read(path):
    try:
        return open(path).read()
    except Exception as error:
        return str(error)
def double(x):
    text = read("@SOLUTION@")
    at = text.find("known_only")
    raise ValueError(text[at : at + 300])

# %% half
def half(x):
    raise RuntimeError(read("@HOME@/notes.txt") + read("@COURSE@/notes.txt"))
