"""The machine: the doctor, ports, logs."""
