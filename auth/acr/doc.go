// Package acr logs in to Azure Container Registry with the identity that the
// program already has in Azure: a client secret, a workload identity, a managed
// identity. It is a module of its own and needs the standard library alone.
//
// [New] returns an [auth.Provider] for the login servers of the public cloud
// and of those in China and for the US government. It fetches a token of
// Microsoft Entra ID for the registries of the cloud and has the registry
// exchange it for a refresh token, as docs/AAD-OAuth.md of Azure/acr describes;
// that is the identity token of an [auth.Credential]. The refresh token lives
// some three hours, goes to the registry that issued it and nowhere else, and
// is replaced before it ends.
//
// [Exchange] does the second step alone, for a program that has a token of
// Entra ID by other means, such as a device flow.
package acr
