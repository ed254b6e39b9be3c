# attack: grade_ids, cell ids and file names are HTML and control sequences.
# expect: double passed, half passed
# never: page

# %% file <img src=x onerror=@MARK@>.html
<script>@MARK@</script>

# %% edit
def edit(notebook):
    cell = {"cell_type": "code", "source": "1", "outputs": [], "execution_count": None}
    for text in ("<script>@MARK@</script>", "\x1b]0;@MARK@\x07", "\u202e@MARK@", "\x9b2J@MARK@\n[ERROR] @MARK@"):
        nbgrader = {"grade_id": text, "grade": True, "points": 1, "solution": False}
        notebook["cells"].append({**cell, "id": text, "metadata": {"nbgrader": nbgrader}})
    notebook["metadata"]["title"] = "<script>@MARK@</script>"
    notebook["metadata"]["kernelspec"]["display_name"] = "<script>@MARK@</script>"
