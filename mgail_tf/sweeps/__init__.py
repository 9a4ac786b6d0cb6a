"""Many runs: what each is, the engines that make them, and how far they are."""
