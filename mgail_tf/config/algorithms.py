"""Every setting of every algorithm, with its default, its constraint and its meaning.

`None` says "none", "all" or "the environment's". A value that a constraint forbids raises
`BadInput` with the setting, what was found and what was expected.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Literal, dataclass_transform

import pydantic
from pydantic import BeforeValidator, Field, FiniteFloat, PositiveInt
from pydantic.dataclasses import dataclass as validated

from mgail_tf.errors import BadInput


def _as_tuple(value: Any) -> Any:
    return (value,) if type(value) is int else tuple(value) if isinstance(value, list) else value


Positive = Annotated[FiniteFloat, Field(gt=0)]
AtLeast0 = Annotated[FiniteFloat, Field(ge=0)]
Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Rate = Annotated[FiniteFloat, Field(gt=0, le=1)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Sizes = Annotated[tuple[PositiveInt, ...], BeforeValidator(_as_tuple)]
Batches = Annotated[Sizes, Field(min_length=1)]
Cost = Literal["log_d", "neg_log_expert"]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type) -> Any:
    """Make a frozen, keyword-only dataclass whose values are checked as they are annotated.

    The text below an attribute becomes its `description`.
    """
    options = pydantic.ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)
    made: Any = validated(frozen=True, kw_only=True, config=options)(cls)
    build: Callable[..., None] = made.__init__

    def __init__(self: Any, **values: Any) -> None:
        try:
            build(self, **values)
        except pydantic.ValidationError as error:
            raise BadInput(_one_line(error)) from None

    made.__init__ = __init__
    return made


def _one_line(error: pydantic.ValidationError) -> str:
    """Return "setting: found this, expected that" of the first error."""
    first = error.errors()[0]
    name = ", component ".join(str(place) for place in first["loc"]) or error.title
    if first["type"] == "unexpected_keyword_argument":
        return f"{name}: unknown setting of {error.title}"
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    if first["type"] in ("missing", "too_short", "too_long"):  # of a tuple
        return f"{name}: found {first['input']!r}, expected another number of components"
    expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{name}: found {first['input']!r}, expected {expected}"


def describe(config_type: type) -> str:
    """Return a text that lists every setting: name, default, meaning."""
    lines = []
    described = [vars(kind).get("__pydantic_fields__", {}) for kind in config_type.__mro__]
    for field in dataclasses.fields(config_type):
        infos = [fields[field.name] for fields in described if field.name in fields]
        # one that is inherited is described where it was written
        text = next(info.description for info in infos if info.description)
        lines.append(f"  {field.name}={infos[0].default}\n      {' '.join(text.split())}")
    return "\n".join(lines)


@settings
class BCConfig:
    """Behavioural cloning: maximum likelihood on the demonstrated pairs."""

    hidden: Sizes = (100, 100)
    """Hidden layers of the policy (Ho & Ermon 2016)."""
    activation: Literal["relu", "tanh"] = "tanh"
    """Activation of the hidden layers (Ho & Ermon 2016)."""
    train_fraction: Fraction = 0.7
    """Share of the pairs that is learnt from; the rest stops the training (Ho & Ermon 2016)."""
    learning_rate: Positive = 1e-3
    """Of AdamW."""
    weight_decay: AtLeast0 = 1e-4
    """Of AdamW."""
    batch_size: PositiveInt = 128
    """Pairs in a minibatch (Ho & Ermon 2016)."""
    max_epochs: PositiveInt = 2000
    """Passes over the pairs, at most."""
    patience: PositiveInt = 100
    """Epochs without a lower held-out loss after which training stops."""
    normaliser_floor: Positive | None = None
    """Smallest standard deviation by which a state component is divided. None: there is none, and
    what the demonstrations show as constant is not seen."""
    state_clip: Positive = 5.0
    """Bound on standardised states, in standard deviations."""


@settings
class ForwardTrainingConfig(BCConfig):
    """Forward Training (Ross & Bagnell 2010): each step's policy is cloned with these settings."""

    max_epochs: PositiveInt = 500
    """Passes over the pairs of a step, at most: there are as many policies as steps."""
    patience: PositiveInt = 50
    """Epochs without a lower held-out loss after which the training of a step's policy stops."""


@settings
class SMILeConfig(BCConfig):
    """SMILe (Ross & Bagnell 2010): each policy of the mixture is cloned with these settings."""

    iterations: PositiveInt = 20
    """N, policies of the mixture; they share the queries equally. Fewer queries: one for each."""
    alpha: Rate = 0.1
    """Share of the expert's probability that an iteration gives to the new policy. With 1 there is
    nothing to mix: the first one, a cloned policy, is all."""
    query_every: PositiveInt | None = None
    """The expert is asked about one visited state in so many. None: as a trajectory of the task is
    sub-sampled in the paper, else all."""


@settings
class DAggerConfig(BCConfig):
    """DAgger (Ross et al. 2011): every policy is cloned with these settings."""

    iterations: PositiveInt = 20
    """N, times that states are visited and a policy is cloned; they share the queries equally.
    Fewer queries: one for each."""
    expert_decay: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.0
    """p: in iteration i the expert acts in a share beta_i = p^(i-1) of the steps. With 0 it acts in
    the first iteration only, beta_i = I(i = 1)."""
    query_every: PositiveInt | None = None
    """The expert is asked about one visited state in so many. None: as a trajectory of the task is
    sub-sampled in the paper, else all."""


@settings
class TRPOConfig:
    """Trust region policy optimisation (Schulman et al. 2015), which trains the experts."""

    batch_steps: Batches = (10_240,)
    """Environment steps of a batch; several values share the run equally. With few episodes in a
    batch the standardised advantages are noise, and a good policy degrades."""
    hidden: Sizes = (64, 64)
    """Hidden layers of policy and value."""
    activation: Literal["relu", "tanh"] = "tanh"
    """Activation of the hidden layers (Ho & Ermon 2016)."""
    output: Literal["linear", "tanh"] = "tanh"
    """Squashing of the Gaussian's mean: tanh keeps it in range (Ho & Ermon 2016: linear)."""
    output_scale: Positive = 0.01
    """Scale of the initial weights of the policy's last layer."""
    initial_log_std: FiniteFloat = -0.5
    """Logarithm of the Gaussian's standard deviation at first, in [-1, 1] units."""
    final_log_std: FiniteFloat = -2.3
    """A cap on it falls linearly to this value: an expert that is demonstrated as sampled must not
    fall over by its own exploration."""
    min_log_std: FiniteFloat = -3.0
    """Lower bound on it."""
    gamma: Fraction = 0.995
    """Discount per step (Ho & Ermon 2016)."""
    gae_lambda: Share = 0.97
    """Lambda of generalised advantage estimation (Ho & Ermon 2016)."""
    max_kl: Positive = 0.02
    """Trust region of an update, nats (Ho & Ermon 2016: 0.01 with batches of 50,000)."""
    anneal_kl: bool = True
    """Let max_kl fall linearly to a tenth, so that the final policy does not swing."""
    cg_iterations: PositiveInt = 15
    """Conjugate-gradient iterations."""
    cg_damping: AtLeast0 = 0.1
    """Added to the diagonal of the Fisher matrix (Ho & Ermon 2016)."""
    line_search_steps: PositiveInt = 10
    """Halvings of a step that violates the trust region."""
    value_learning_rate: Positive = 1e-3
    """Of the value function."""
    value_epochs: PositiveInt = 20
    """Passes over a batch in the regression of the value function."""
    value_batch: PositiveInt = 128
    """Minibatch of that regression."""
    state_clip: Positive = 10.0
    """Bound on standardised states, in standard deviations."""
    entropy_weight: AtLeast0 = 0.0
    """Weight of the policy's entropy: lambda of Eq. 4 (Ho & Ermon 2016: 0)."""
    num_envs: PositiveInt = 1
    """Environments stepped side by side; --workers says by how many processes."""
    compile: Literal["xla", "graph"] = "xla"
    """How value and discriminator are fitted: by XLA, or not, which starts sooner and runs
    slower."""

    def check_budget(self, env_steps: int) -> None:
        """Refuse a budget that leaves no step to learn from.

        Raises:
            BadInput: it is at most the first batch, which only sets the normaliser.
        """
        if env_steps <= self.batch_steps[0]:
            expected = f"more than {self.batch_steps[0]}, the first of batch_steps"
            raise BadInput(f"env_steps: found {env_steps}, expected {expected}")


@settings
class GAILConfig(TRPOConfig):
    """Generative adversarial imitation learning (Ho & Ermon 2016), the paper's baseline."""

    batch_steps: Batches = (5000,)
    """Environment steps of a batch (Ho & Ermon 2016: 50,000 for MuJoCo)."""
    cost: Cost | None = None
    """Sign of the reward: log_d pays -log D >= 0, right where episodes end by failure;
    neg_log_expert pays log(1 - D) <= 0, right where they end by success. None: neg_log_expert where
    more than three quarters of the demonstrations terminate, else log_d."""
    normaliser_floor: Positive | None = None
    """Smallest standard deviation by which the discriminator's state components are divided. None:
    there is none, and what the demonstrations show as constant is not seen."""
    discriminator_clip: Positive = 5.0
    """Bound on the discriminator's standardised states."""
    discriminator_hidden: Sizes = (100, 100)
    """Hidden layers of the discriminator (Ho & Ermon 2016)."""
    discriminator_learning_rate: AtLeast0 = 3e-4
    """Of the discriminator. With 0 it stays as it was initialised."""
    discriminator_batch: PositiveInt = 128
    """Pairs of each kind in a minibatch."""
    discriminator_steps: PositiveInt = 40
    """Minibatches that the discriminator learns from, per batch of the policy."""
    gradient_penalty: AtLeast0 = 1.0
    """Weight of the penalty on steep logits."""
    gradient_slope: AtLeast0 = 1.0
    """Steepest slope of the logit that goes unpunished, per standardised unit."""


@settings
class MGAILConfig:
    """Model-based GAIL (the paper). Where the meaning names no source, the value was found here."""

    # environment and data
    prefill_steps: PositiveInt = 1000
    """Environment steps of random actions before the first update."""
    initial_episode_steps: PositiveInt | None = None
    """Time limit of training episodes at first; it grows as this / (1 - progress). None: the
    environment's own limit."""
    replay_capacity: PositiveInt = 1_000_000
    """Environment steps that the experience buffer holds (released code: 50,000)."""
    normaliser_floor: Positive | None = None
    """Smallest standard deviation by which a state component is divided. None: a tenth of the
    component's spread in the first steps, and all of it where there are fewer than four pairs for
    each component of state and action."""
    state_clip: Positive = 5.0
    """Bound on standardised states, real and predicted."""
    observation_components: PositiveInt | Literal["foreseen"] | None = "foreseen"
    """foreseen: without components that the demonstrations show as constant, that a linear model of
    the first steps does not foresee, such as contact forces, or that it has from the other
    components of the same state. A number: only the first so many are seen. None: all."""
    updates_per_step: Positive | None = None
    """Updates of all networks per environment step. None: 60,000 over the run, fewer where state
    and action have more than 100 components, and at most 1 a step."""
    updates_per_call: PositiveInt = 50
    """Updates in one call of the compiled graph."""
    learning_rate_schedule: Literal["linear", "constant", "cosine_restarts"] = "linear"
    """linear: the rates of policy, model and discriminator fall to a tenth over the run.
    cosine_restarts: those of model and discriminator fall to 0 and are reset, again and again
    (Loshchilov & Hutter 2016; tried in Section 5), and the policy's falls as with linear."""
    restart_period: PositiveInt = 5000
    """Updates until rates are reset for the first time."""
    restart_multiplier: Annotated[FiniteFloat, Field(ge=1)] = 2.0
    """Every period is so many times as long as the one before it."""
    # policy
    policy_hidden: Sizes = (100, 100)
    """Hidden layers, as those of cloning (released code: 100, 50)."""
    policy_activation: Literal["relu", "tanh"] = "tanh"
    """Activation of the hidden layers (released code: relu). From few trajectories a policy with
    tanh generalises better, even where it is only cloned."""
    policy_learning_rate: Positive | None = None
    """Of the policy on J (released code: 1e-4). None: 3e-4 while the discriminator is right about
    at least 0.95 of the pairs, 3e-5 at 0.9, 3e-6 at 0.7, and in between what lies between; at least
    3e-5 where more than three quarters of the demonstrations terminate, or where there are fewer
    than five pairs for each component of state and action."""
    cloning_bound: Positive | None = 1.0
    """The policy follows J only where its actions err by at most this times what those of a cloned
    policy err by on pairs that it has not learnt from; else it takes a step of cloning. Beyond the
    paper. None: it always follows J."""
    clone_share: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.05
    """Share of the steps after the random actions in which a clone of the demonstrations acts,
    before the first update. Model and value learn from its steps, the discriminator does not, and
    it is what is scored until the policy matches the demonstrations as well (see
    `match_tolerance`). Beyond the paper. 0: it never acts."""
    cloning_learning_rate: Positive = 1e-3
    """Of the policy in steps of cloning."""
    policy_batch: PositiveInt | None = None
    """Trajectories imagined in an update. None: as many as make 512 steps."""
    log_std: tuple[FiniteFloat, FiniteFloat] | None = None
    """Logarithm of the Gaussian's standard deviation at the beginning and the end of the run, in
    [-1, 1] units; linear in between. None: twice what a cloned policy errs by, between 0.05 and
    0.15, and a sixth of it at the end."""
    temperature: Positive = 1.0
    """Temperature tau of the Gumbel-softmax (Section 3.2.2; released code: 1)."""
    bc_weight: AtLeast0 = 0.0
    """Weight of the cloning loss on demonstrated pairs, added to J; beyond the paper."""
    policy_averaging: Positive | None = 0.05
    """Share of the run so far over which the weights that are scored are averaged. None: the last
    weights are scored."""
    match_tolerance: Positive | None = 0.03
    """The policy that is scored is the newest one whose training episodes match the demonstrations
    to within this of the best match so far (`Match.distance`); one that is 0.15 from it goes back
    to it. No reward is looked at. Beyond the paper. None: the last one is scored."""
    # imagination
    rollout: Literal["imagine", "replay"] = "imagine"
    """imagine: states come from the forward model (Algorithm 1). replay: recorded states with
    inferred noise (Heess et al. 2015), near what the released code does."""
    horizon: PositiveInt | None = None
    """T, imagined steps (released code: 10). None: 16 to 32, eight times the steps
    after which states of the first steps are no longer alike."""
    gamma: Fraction | None = None
    """Discount per step (released code: 0.99). None: 1 - 0.48 / T, which is 0.97 to 0.985; where
    more than three quarters of the demonstrations terminate up to 0.99, as many steps ahead as they
    have on average."""
    cost: Cost = "neg_log_expert"
    """neg_log_expert: -log(1 - D), as in the released code; log_d: log D, as in Eq. 3."""
    state_gradient_clip: Positive | None = 0.625
    """Bound on what J_s (Eq. 12) carries through one imagined state, for each of the T steps, in
    costs per standardised unit: 10 in all with T = 16. None: the exact gradient, however large."""
    model_noise: AtLeast0 = 0.0
    """Scale of the resampled one-step model errors that are added to each imagined state."""
    demonstrated_share: Share = 0.25
    """Share of what forward model and value learn from, and of the imagined starts, drawn from the
    demonstrations, where no pair of them is left out."""
    recent_share: Share = 0.5
    """Share of the agent's pairs for the discriminator, of the imagined starts and of the value's
    stretches that is drawn from the newest fifth of the steps (at least 2,000); the others are
    drawn from all. Beyond the paper."""
    near_termination_share: Share = 0.1
    """Share of the imagined starts, and of the value's stretches, drawn from the last steps before
    a termination."""
    predict_termination: bool = True
    """The forward model predicts where the task ends; beyond the paper. Without it only imagined
    trajectories go on: recorded steps, from which the value may learn, end where they ended."""
    termination_cost: AtLeast0 | None = None
    """Cost per step after a termination. None: judged by how the demonstrations end, see
    agents/mgail/termination_cost.py."""
    value_targets: Literal["recorded", "imagined", "both"] | None = "both"
    """States from which a value function beyond the horizon learns; beyond the paper. None: there
    is no value function, and what lies beyond the horizon costs nothing."""
    td_lambda: Share = 0.95
    """Lambda of the returns that mix imagined costs with values."""
    # forward model
    forward_model: Literal[
        "hadamard_gru", "hadamard", "sum_gru", "concatenation_gru", "film_gru", "vanilla"
    ] = "vanilla"
    """hadamard_gru: Section 3.5; hadamard: without the GRU; sum_gru, concatenation_gru: with
    another fusion of state and action; film_gru: with paths around its product and its GRU;
    vanilla: Figure 4, top."""
    model_units: PositiveInt = 200
    """Units of every hidden layer (released code: 100); of film_gru's GRU half as many."""
    model_learning_rate: Positive = 3e-3
    """Of the forward model (released code: 1e-4)."""
    model_batch: PositiveInt = 64
    """Recorded stretches in an update of the forward model."""
    sequence_length: Annotated[int, Field(ge=2)] = 8
    """Steps of those stretches. Half as many recorded steps warm the GRU up before imagining."""
    teacher_forced_steps: PositiveInt | None = 1
    """Steps of a stretch, padding included, that begin in the recorded state; those after begin in
    the model's own prediction. None: all begin in the recorded state."""
    model_ema_rate: Rate | None = 0.02
    """Rate per update at which a slow copy follows the forward model; the copy imagines. None: the
    newest weights imagine."""
    # discriminator
    discriminator_hidden: Sizes = (200, 100)
    """Hidden layers (released code)."""
    discriminator_learning_rate: AtLeast0 | None = None
    """Of the discriminator (released code: 1e-3). With 0 it stays as it was initialised. None:
    3e-4, and 1e-4 where there are fewer than five pairs for each component of state and action."""
    discriminator_batch: PositiveInt = 128
    """Pairs of each kind in an update."""
    gradient_penalty: AtLeast0 | None = None
    """Weight of the penalty on steep logits; beyond the paper, 0 there. None: 1, and 10 where there
    are fewer than five pairs for each component of state and action."""
    gradient_slope: AtLeast0 | None = None
    """Steepest slope of the logit that goes unpunished, per standardised unit. None: 1, and 0.3
    where there are fewer than five pairs for each component of state and action."""
    critic_activation: Literal["relu", "silu", "tanh"] = "silu"
    """Activation of forward model, discriminator and value, through which gradients flow."""
    compile: Literal["xla", "xla_unrolled", "graph"] = "xla"
    """How updates are compiled. xla: a loop over time; xla_unrolled: a copy of the graph a step,
    faster up to 10 steps and slower to compile; graph: unrolled without XLA, starts at once."""

    @pydantic.model_validator(mode="after")
    def _whole_steps(self) -> "MGAILConfig":
        if self.updates_per_step is None:
            return self
        real = self.updates_per_call / self.steps_per_call(self.updates_per_step)
        if abs(real / self.updates_per_step - 1.0) > 0.05:
            expected = f"updates_per_call={self.updates_per_call} divided by a whole number"
            raise ValueError(
                f"updates_per_step: found {self.updates_per_step}, expected {expected}, "
                f"such as {real:g}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _seen_restarts(self) -> "MGAILConfig":
        restarts = self.learning_rate_schedule == "cosine_restarts"
        if restarts and self.restart_period < self.updates_per_call:
            expected = f"at least {self.updates_per_call}, updates_per_call"
            raise ValueError(f"restart_period: found {self.restart_period}, expected {expected}")
        return self

    def steps_per_call(self, updates_per_step: float) -> int:
        """Return the environment steps between two calls of the compiled updates."""
        return max(1, round(self.updates_per_call / updates_per_step))

    @property
    def burn_in_steps(self) -> int:
        """Recorded steps that warm the GRU up before imagining begins."""
        return self.sequence_length // 2

    def check_budget(self, env_steps: int) -> None:
        """Refuse a budget that leaves no step to learn from.

        Raises:
            BadInput: it is at most `prefill_steps`, the clone may take all of it, or the buffer
                cannot hold the clone's steps and some of the agent's.
        """
        if env_steps <= self.prefill_steps:
            expected = f"more than {self.prefill_steps}, prefill_steps, after which updates begin"
            raise BadInput(f"env_steps: found {env_steps}, expected {expected}")
        cloned = 2 * int(self.clone_share * (env_steps - self.prefill_steps))
        if cloned >= env_steps - self.prefill_steps:
            expected = "less than 0.5, as the clone may take twice that share"
            raise BadInput(f"clone_share: found {self.clone_share:g}, expected {expected}")
        if cloned >= self.replay_capacity:
            expected = f"more than {cloned}, twice the steps of the clone (clone_share)"
            raise BadInput(f"replay_capacity: found {self.replay_capacity}, expected {expected}")


CONFIGS: dict[str, Any] = {
    "bc": BCConfig,
    "dagger": DAggerConfig,
    "forward_training": ForwardTrainingConfig,
    "gail": GAILConfig,
    "mgail": MGAILConfig,
    "smile": SMILeConfig,
    "trpo": TRPOConfig,
}
