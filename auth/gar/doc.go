// Package gar logs in to Google's Artifact Registry and Container Registry
// with the identity that the program already has in Google Cloud: a service
// account key, what gcloud auth application-default login has stored, workload
// identity federation, the service account of the machine. It is a module of
// its own and needs the standard library alone.
//
// [New] returns an [auth.Provider] that looks for an identity where Google's
// libraries do (Application Default Credentials) and answers with an access
// token, which Google's registries take as the password of the user
// oauth2accesstoken. Tokens live up to an hour, five minutes in the shortest
// case, and are replaced before they end.
package gar
