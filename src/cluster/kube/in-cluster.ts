import { join } from 'node:path';
import { AccessError, readCredential } from '../connect/credential.ts';
import { type Access, bearer } from './access.ts';

/** Where kubelet puts the credentials of a pod's service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The API server of the cluster this process is a pod of, as the pod's service account. kubelet
 * replaces the token before it expires; it is read for every request. Throws AccessError outside a pod.
 */
export function inClusterAccess(
  env: Readonly<Record<string, string | undefined>> = process.env,
  directory = SERVICE_ACCOUNT,
): Access {
  const host = env.KUBERNETES_SERVICE_HOST ?? '';
  const port = env.KUBERNETES_SERVICE_PORT ?? '';
  if (host === '' || port === '') {
    throw new AccessError(
      `in-cluster: expected KUBERNETES_SERVICE_HOST and _PORT in the environment, got "${host}" and "${port}"`,
    );
  }
  const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(url)) throw new AccessError(`in-cluster: "${url}" is not a URL`);
  const token = { file: join(directory, 'token') };
  const ca = { file: join(directory, 'ca.crt') };
  // What is missing now is missing for good: nothing but a pod's start makes it.
  bearer('in-cluster token', readCredential('in-cluster token', token));
  return {
    server: new URL(url),
    tls: async () => ({ ca: readCredential('in-cluster certificate authority', ca) }),
    authorization: async () =>
      bearer('in-cluster token', readCredential('in-cluster token', token)),
    refused: () => {},
  };
}
