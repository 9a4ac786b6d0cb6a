"""Every hyper-parameter, once: a frozen dataclass an algorithm. What differs by task: tasks.py."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class TRPO:
    """Trust region policy optimisation (Schulman et al. 2015), which trains the experts."""

    env_steps: int = 4_000_000
    batch_steps: tuple[int, ...] = (10_240,)  # several share the run equally. Of a good policy's
    # 1,000-step episodes 2,048 hold two, whose advantages are noise: it degrades; found
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"  # Ho & Ermon 2016
    output: str = "tanh"  # keeps the Gaussian's mean in range; "linear" in Ho & Ermon 2016
    output_scale: float = 0.01  # of the last layer's initial weights
    initial_log_std: float = -0.5
    final_log_std: float = -2.3  # a cap on log_std falls linearly to it: the expert that is
    # demonstrated as sampled must not fall over by its own exploration noise; found
    min_log_std: float = -3.0
    gamma: float = 0.995  # Ho & Ermon 2016
    lam: float = 0.97  # Ho & Ermon 2016
    max_kl: float = 0.02  # Ho & Ermon 2016 have 0.01, with batches of 50,000
    cg_iterations: int = 15
    cg_damping: float = 0.1  # Ho & Ermon 2016
    line_search_steps: int = 10
    value_learning_rate: float = 1e-3
    value_epochs: int = 20
    value_batch: int = 128
    state_clip: float = 10.0
    entropy: float = 0.0  # weight of the policy's entropy, lambda of Eq. 4; Ho & Ermon 2016
    environments: int = 1  # stepped side by side; --workers says by how many processes
    anneal_kl: bool = True  # max_kl falls linearly to a tenth: the final policy does not swing
    jit_compile: bool = True  # by XLA, here and below; off, a run starts sooner and goes slower


@dataclasses.dataclass(frozen=True)
class BC:
    """Behavioural cloning: maximum likelihood on the demonstrated pairs."""

    hidden: tuple[int, ...] = (100, 100)  # Ho & Ermon 2016
    activation: str = "tanh"  # Ho & Ermon 2016
    train_fraction: float = 0.7  # Ho & Ermon 2016; the rest stops the training early
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch: int = 128  # Ho & Ermon 2016
    max_epochs: int = 2000
    patience: int = 100  # epochs without a lower held-out loss
    normaliser_floor: float = 1e-2
    state_clip: float = 5.0


@dataclasses.dataclass(frozen=True)
class GAIL(TRPO):
    """Generative adversarial imitation learning (Ho & Ermon 2016), the paper's baseline."""

    env_steps: int = 2_000_000  # 25 million in Ho & Ermon 2016
    batch_steps: tuple[int, ...] = (5000,)  # Ho & Ermon 2016 have 50,000 for MuJoCo
    cost: str = "log_d"  # as MGAIL's; which task wants which sign: agents/gail.py
    normaliser_floor: float = 1e-2
    discriminator_clip: float = 5.0
    discriminator_hidden: tuple[int, ...] = (100, 100)  # Ho & Ermon 2016
    discriminator_learning_rate: float = 3e-4
    discriminator_batch: int = 128  # of each kind
    discriminator_steps: int = 40  # per batch of `batch_steps`
    gradient_penalty: float = 1.0
    gradient_slope: float = 1.0


@dataclasses.dataclass(frozen=True)
class MGAIL:
    """Model-based GAIL (the paper); sources at the right, "found" is this project's."""

    env_steps: int = 100_000
    prefill_steps: int = 1000  # of the initial policy, before any update
    episode_steps: int = 0  # training episodes are cut off there, and over the share of the run
    # that is left: twice as long halfway; 0: at the environment's limit
    buffer_capacity: int = 1_000_000
    updates_per_step: float = 0.4  # of all three networks per environment step: steps are cheap
    block: int = 50  # iterations per compiled call
    normaliser_floor: float = 1e-2
    state_clip: float = 5.0  # found
    state_components: int = 0  # only the first so many are seen; 0: all
    # policy
    policy_hidden: tuple[int, ...] = (128, 64)
    policy_learning_rate: float = 3e-4
    policy_batch: int = 64
    gradient_clip: float = 1.0  # global norm
    log_std: float = -1.2  # ln 0.3: exploration noise in [-1, 1] units; found
    final_log_std: float = -2.3  # log_std falls linearly to it; ln 0.1
    learn_std: bool = False  # then log_std is only where it starts
    cloning: float = 0.03  # weight of the cloning loss on demonstrated pairs; beyond the paper. It
    # is a log-likelihood: as log_std falls, a squared error weighs up to 9 times as much
    temperature: float = 1.0  # Gumbel-softmax tau
    averaging: float = 0.05  # share of the run so far over which the scored weights are averaged;
    # 0: the last ones are scored
    decay: bool = True  # learning rates (not the value's) fall linearly to a tenth
    # imagination
    rollout: str = "imagine"  # or "replay": recorded states, inferred noise (Heess et al. 2015);
    # ends are the recorded ones then, and state_gradient and model_noise play no part
    start_recent: int = 0  # start from the last so many steps; 0: the whole buffer
    before_end: float = 0.0  # share of the starts, and of the value's stretches, that is drawn
    # from the last steps before an end: soon a fall is rare, and nothing else says how to avoid it
    horizon: int = 16  # T; 10 in the released code
    state_gradient: float = (
        3.0  # bound on what a trajectory's J_s carries through an imagined state
    )
    # from the steps after it, in costs per standardised unit; 0: none
    model_noise: float = 0.0  # an imagined step adds so much of an error that the model made on
    # recorded ones: the exact gradient meets what a model without noise never imagines
    unroll: bool = False  # one copy of the graph a step; pays up to T = 10
    gamma: float = 0.99
    cost: str = "neg_log_expert"  # released code; Eq. 3 is "log_d"
    model_end: bool = True  # the model predicts the end of the task; beyond the paper. Without it
    # an imagined step never ends, but a value of recorded steps still learns what their ends cost
    dead_cost: float = 4.0  # per imagined step after it, at most: see absorbing.py
    end: str = "judged"  # by how the demonstrations end; or "failure": always costs the most
    horizon_value: bool = True  # a value function beyond the horizon; beyond the paper
    lam: float = 0.95  # of the returns that mix imagined costs with values
    value_data: str = "recorded"  # what it learns from, or "imagined": an imagined future is too
    # bright, as the policy has been trained to make it so. On Walker2d that decides; found
    value_recent: int = 5000  # only the last so many recorded steps, nearly its own; 0: all
    value_hidden: tuple[int, ...] = (128, 128)
    value_learning_rate: float = 1e-3
    value_target_rate: float = 0.01  # by which its target network follows per iteration
    burn_in: int = 4  # recorded steps that warm the GRU up
    # forward model
    model: str = "vanilla"  # Figure 4, top; or "hadamard_gru", Section 3.5. Trained on its own
    # predictions the vanilla one is as good after 16 steps, and three times as fast; found
    model_units: int = 200  # 100 in the released code
    model_learning_rate: float = 3e-3  # found, on recorded Walker2d steps
    model_target_rate: float = 0.02  # by which the slow copy that is imagined with follows it per
    # iteration; 1: no copy. The jitter of the newest model made the policy swing; found
    model_batch: int = 64
    model_length: int = 8
    model_recorded: int = 1  # of those, how many start in the recorded state, the others in the
    # model's own prediction; 0: all start in the recorded one
    # discriminator
    discriminator_hidden: tuple[int, ...] = (200, 100)  # released code
    discriminator_learning_rate: float = 3e-4
    discriminator_batch: int = 128  # of each kind
    discriminator_recent: int = 0  # agent pairs from the last so many steps; 0: the whole buffer
    gradient_penalty: float = 1.0  # found; 0 in the paper
    gradient_slope: float = 1.0  # slope of the logit up to which there is none
    critic_activation: str = "silu"  # of model, discriminator, value: gradients flow through them
    jit_compile: bool = True


ALGORITHMS: dict[str, Any] = {"trpo": TRPO, "bc": BC, "gail": GAIL, "mgail": MGAIL}
