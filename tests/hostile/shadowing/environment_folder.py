# attack: The answer writes a .pth file into the environment that grades.
# expect: half passed
# never: file, neighbour

# %% half
import sysconfig
def half(x):
    return x / 2
open(sysconfig.get_path("purelib") + "/@MARK@.pth", "w").write("# a line that does nothing")
