"""IAM: the identity provider that a GitHub workflow's token comes from."""

from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]


def _create_provider(_logical_id: str, properties: Properties) -> Created:
    answer = in_process_client("iam").create_open_id_connect_provider(
        Url=properties["Url"],
        ClientIDList=properties.get("ClientIdList", []),
        ThumbprintList=properties.get("ThumbprintList", []),
    )
    arn = answer["OpenIDConnectProviderArn"]
    return arn, {"Arn": arn}


def _delete_provider(arn: str, _properties: Properties) -> None:
    in_process_client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


HANDLERS = {"AWS::IAM::OIDCProvider": Handler(_create_provider, _delete_provider)}
