// Package ecr finds credentials for Amazon ECR with the AWS identity that a
// program already has, and without the AWS SDK.
//
// [New] returns an auth.Provider. For a host of Amazon ECR it asks the ECR API
// for a token, signed with the identity, and answers with the token, which is
// a password for 12 hours, and with its end. The hosts are
//
//	123456789012.dkr.ecr.REGION.amazonaws.com      and dkr.ecr-fips; so in every partition
//	123456789012.dkr-ecr.REGION.on.aws             and dkr-ecr-fips, over IPv4 and IPv6
//	public.ecr.aws, ecr-public.aws.com             the public registry
//
// and no other: the whole name is matched before anybody is asked anything.
//
// The identity is looked for where AWS's own tools look, in their order, and
// the first place that is configured decides:
//
//   - access keys in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
//     AWS_SESSION_TOKEN);
//   - a web identity in the environment (AWS_WEB_IDENTITY_TOKEN_FILE,
//     AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME): roles of EKS service accounts;
//   - the profile (AWS_PROFILE) of ~/.aws/credentials and ~/.aws/config: its
//     static keys, or a role with a web identity;
//   - the container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
//     AWS_CONTAINER_AUTHORIZATION_TOKEN or its _FILE): ECS, EKS Pod Identity;
//   - the metadata service of an EC2 instance, version 2 only, unless
//     AWS_EC2_METADATA_DISABLED is true.
//
// A profile that needs more, such as IAM Identity Center, a role of another
// profile or a credential process, is an error that says so. Its users take the
// library of amazon-ecr-credential-helper with auth.FromHelper instead, which
// brings the AWS SDK with it.
//
// Keys of a role are kept until five minutes before their end. Tokens and keys
// travel over HTTPS, through no redirect; plain HTTP is for the container's
// and the instance's own endpoints, at loopback and at the link-local addresses
// that AWS documents, and is held to them. No error
// repeats what AWS says beyond its error code.
//
// The protocols are AWS Signature Version 4 (IAM user guide), the AWS JSON 1.1
// and Query protocols, and the credential providers of the AWS SDKs and tools
// reference guide.
package ecr
