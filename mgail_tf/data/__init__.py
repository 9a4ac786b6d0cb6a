"""What is learnt from: demonstrations, the replay buffer, and how states are standardised."""
