"""Which models the agents use on Bedrock, in one place: roles allow these and no other."""

from dataclasses import dataclass

from infra.environments import Environment

__all__ = ["EMBEDDING_DIMENSIONS", "MODELS", "Models"]

EMBEDDING_DIMENSIONS = 1536
"""What Titan Text Embeddings v1 gives (its successor gives 1024 at most)."""
_GEOGRAPHIES = {"us": "us", "eu": "eu", "ap": "apac"}


@dataclass(frozen=True)
class Models:
    """The models' names, as Bedrock knows them."""

    reasoning: str
    """For the agents that weigh evidence."""
    wording: str
    """For the agent that writes to people."""
    embedding: str

    def profile(self, model: str, environment: Environment) -> str:
        """The ARN by which a newer model is called: a profile over the regions of one geography.

        Raises:
            ValueError: the region lies in no geography that has profiles.
        """
        first = environment.region.partition("-")[0]
        if first not in _GEOGRAPHIES:
            raise ValueError(f"{environment.region}: Bedrock has no inference profile there")
        return (
            f"arn:aws:bedrock:{environment.region}:{environment.account}:"
            f"inference-profile/{_GEOGRAPHIES[first]}.{model}"
        )

    def arns(self, environment: Environment) -> tuple[str, ...]:
        """All that must be allowed to call them: the profiles, and the models behind them.

        A profile sends a call to any region of its geography, so the models' region is open.
        """
        called = (self.reasoning, self.wording)
        return (
            *(self.profile(model, environment) for model in called),
            *(f"arn:aws:bedrock:*::foundation-model/{model}" for model in called),
            self.embedding_arn(environment),
        )

    def embedding_arn(self, environment: Environment) -> str:
        """The ARN of the model that embeds the knowledge base."""
        return f"arn:aws:bedrock:{environment.region}::foundation-model/{self.embedding}"


MODELS = Models(
    reasoning="anthropic.claude-sonnet-4-5-20250929-v1:0",
    wording="anthropic.claude-haiku-4-5-20251001-v1:0",
    embedding="amazon.titan-embed-text-v1",
)
"""A change here is a change of what the roles allow."""
