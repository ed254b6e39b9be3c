"""Many submissions at the same time: workers here and on a cluster."""
