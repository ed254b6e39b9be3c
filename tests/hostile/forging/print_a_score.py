# attack: A message of the kind that carries a cell's result is sent from the answer's cell.
# expect: double failed, half passed
# never: marks

# %% double
k = get_ipython().kernel
k.session.send(k.iopub_socket, "execute_result", {"execution_count": 1, "data": {"text/plain": "2.0"},
    "metadata": {}}, parent=k.get_parent())
def double(x):
    return x
