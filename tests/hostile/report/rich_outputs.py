# attack: Outputs of every kind that a browser runs.
# expect: double passed, half passed
# never: page

# %% half
from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display
def half(x):
    return x / 2
display(HTML("<script>@MARK@</script>"), Javascript("@MARK@"), Markdown("<img src=x onerror=@MARK@>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='@MARK@'/>"), Latex("$@MARK@$"))
display({"text/plain": "<script>@MARK@</script>", "image/png": '"><script>@MARK@</script>',
         "application/vnd.jupyter.widget-view+json": {"model_id": "@MARK@"},
         "text/vnd.mermaid": "@MARK@"}, raw=True, metadata={"image/png": {"width": "@MARK@"}})
print("<script>@MARK@</script>")
print("\x1b[31;1m<img src=x onerror=@MARK@>\x1b]8;;javascript:@MARK@\x07link\x1b]8;;\x07")
