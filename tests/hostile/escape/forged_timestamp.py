# attack: The submission brings a time stamp that is none.
# expect: double passed, half passed
# never: neighbour

# %% hand_in
import json
def hand_in(notebook, folder):
    (folder / "tiny.ipynb").write_text(json.dumps(notebook))
    (folder / "timestamp.txt").write_text("9999-99-99 \x00 tomorrow")
