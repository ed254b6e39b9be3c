# attack: Null bytes in the source.
# expect: double failed, half passed
# never: neighbour

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "double":
            cell["source"] = cell["source"].replace("return", "return\0")
