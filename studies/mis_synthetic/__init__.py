"""Does the MIS indicator order quantizers as their true leakage does? Laws whose leakage is known answer that."""
