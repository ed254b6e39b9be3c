# attack: A second cell with a test's grade_id ends in a full score.
# expect: double failed, half failed
# never: marks

# %% double
def double(x):
    return x

# %% half
def half(x):
    return None

# %% edit
import copy
def edit(notebook):
    tests = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("locked")]
    for test in tests:
        double = copy.deepcopy(test)
        double.update(source="3.0", id="x" + test["id"])
        notebook["cells"].append(double)
        notebook["cells"].insert(0, copy.deepcopy(double))
