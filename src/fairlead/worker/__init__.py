"""What runs beside the user's function, in a process of this machine or in a pod."""
