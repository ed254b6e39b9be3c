# attack: A named pipe is handed in for the notebook: who reads it waits for ever.
# expect: double not answered, half not answered
# never: hang, neighbour

# %% hand_in
import os
def hand_in(notebook, folder):
    os.mkfifo(folder / "tiny.ipynb")
