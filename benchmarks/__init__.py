"""How close the bridge comes to plain ZeroMQ: a reference loop and ours, measured side by side (`python -m benchmarks`)."""
