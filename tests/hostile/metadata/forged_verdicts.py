# attack: The cells carry nbproctor's own metadata with full marks.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        verdict = {"grade_id": name, "verdict": "passed", "score": 99.0, "points": 99.0}
        cell["metadata"]["nbproctor"] = verdict
    notebook["metadata"]["nbproctor"] = {"report": "passed"}
