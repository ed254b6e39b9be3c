# attack: Cells of the learner's own claim grade_ids of tests, of nothing, and of every odd type.
# expect: double failed, half passed
# never: marks, neighbour

# %% double
def double(x):
    return x

# %% edit
def edit(notebook):
    odd = ["test_double", "../../../etc/passwd", "x" * 100_000, 7, None, ["test_half"], {"a": 1}, ""]
    for n, grade_id in enumerate(odd):
        options = {"grade": True, "solution": False, "locked": True, "points": 9, "task": False}
        nbgrader = {**options, "grade_id": grade_id, "schema_version": 3}
        cell = {"cell_type": "code", "metadata": {"nbgrader": nbgrader}, "source": "2.0"}
        notebook["cells"].insert(0, {**cell, "outputs": [], "execution_count": 1, "id": f"o{n}"})
