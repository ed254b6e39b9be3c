# attack: A solution cell of thirty megabytes.
# expect: double passed|failed|not answered, half passed
# never: hang, neighbour

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "double":
            cell["source"] = "x = '" + "y" * 30_000_000 + "'\n" + cell["source"]
