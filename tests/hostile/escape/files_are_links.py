# attack: Links to the gradebook, the solutions and the grader's home are handed in as data.
# expect: double passed, half passed
# never: secret

# %% hand_in
import json, os
def hand_in(notebook, folder):
    (folder / "tiny.ipynb").write_text(json.dumps(notebook))
    for n, name in enumerate(("GRADEBOOK", "SOLUTION", "NEIGHBOUR", "HOME")):
        target = known[name] + ("/notes.txt" if name == "HOME" else "")
        os.symlink(target, folder / f"data{n}.txt")
    os.symlink(known["COURSE"], folder / "course")
