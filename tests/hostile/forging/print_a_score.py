# attack: A message of the kind that carries a cell's result is sent while the test runs.
# expect: double failed, half failed
# never: marks

# %% double
k = get_ipython().kernel
def show(text):
    content = {"execution_count": 1, "data": {"text/plain": text}, "metadata": {}}
    k.session.send(k.iopub_socket, "execute_result", content, parent=k.get_parent())
def double(x):
    show("2.0")
    return x

# %% half
def half(x):
    show("3.0")
    return None
