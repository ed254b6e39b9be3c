# attack: The file is cut off in the middle.
# expect: double not answered, half not answered
# never: neighbour

# %% edit
import json
def edit(notebook):
    return json.dumps(notebook).encode()[:1000]
