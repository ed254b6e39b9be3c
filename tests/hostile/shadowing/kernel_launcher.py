# attack: A file ipykernel_launcher.py beside the notebook starts a kernel that drops assertions.
# expect: double failed, half passed
# never: marks

# %% double
def double(x):
    return x

# %% file ipykernel_launcher.py
import ast
from IPython.core.interactiveshell import InteractiveShell
real = InteractiveShell.run_ast_nodes
async def without_assertions(self, nodes, *args, **kwargs):
    kept = [node for node in nodes if not isinstance(node, ast.Assert)]
    return await real(self, kept or [ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=1)],
                      *args, **kwargs)
InteractiveShell.run_ast_nodes = without_assertions
from ipykernel import kernelapp
kernelapp.launch_new_instance()
