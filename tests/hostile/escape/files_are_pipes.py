# attack: Named pipes are handed in as data: who copies them waits for ever.
# expect: double passed, half passed
# never: hang, neighbour

# %% hand_in
import json, os
def hand_in(notebook, folder):
    (folder / "tiny.ipynb").write_text(json.dumps(notebook))
    os.mkfifo(folder / "data.txt")
    os.mkfifo(folder / "timestamp.csv")
