"""What lakegate is compared with. Each module is one process: it does the work,
measures it, and prints `{"seconds": …}`."""
