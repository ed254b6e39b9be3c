# attack: An AST transformer takes the assertions out of later cells.
# expect: double failed, half passed
# never: marks

# %% double
import ast
class WithoutAssertions(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(WithoutAssertions())
def double(x):
    return x
