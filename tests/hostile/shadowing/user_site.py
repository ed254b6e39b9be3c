# attack: The answer writes a usercustomize.py and a .pth file into the grader's user site.
# expect: half passed
# never: file, neighbour

# %% half
import os, sys
def half(x):
    return x / 2
place = f"@HOME@/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
os.makedirs(place, exist_ok=True)
open(f"{place}/usercustomize.py", "w").write("raise SystemExit(3)")
open(f"{place}/x.pth", "w").write("import os; os._exit(3)")
