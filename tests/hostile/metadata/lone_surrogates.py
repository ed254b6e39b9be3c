# attack: Halves of characters, which no file can hold, in sources and names.
# expect: double passed, half passed
# never: neighbour

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] += "\n# \ud800 \udfff"
    notebook["metadata"]["\ud800"] = "\ud800"
    cell = {"cell_type": "code", "outputs": [], "execution_count": None, "source": "'\ud800'"}
    nbgrader = {"grade_id": "\ud800", "grade": True, "points": 1, "solution": False}
    notebook["cells"].append({**cell, "id": "\ud800", "metadata": {"nbgrader": nbgrader}})
