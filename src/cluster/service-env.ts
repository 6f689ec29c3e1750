import type { Service } from './objects.ts';
import type { ClusterState } from './store.ts';

/** The Services of namespace `default` that pods of every namespace are told of (kubelet's masterServices). */
const MASTER_SERVICES: readonly string[] = ['kubernetes'];
const MASTER_NAMESPACE = 'default';

/** A variable and its value. */
export type Variable = readonly [name: string, value: string];

/**
 * The variables by which kubelet tells the containers of a pod where Services are: kubernetes v1.36.3,
 * pkg/kubelet/kubelet_pods.go getServiceEnvVarMap and pkg/kubelet/envvars. Without `enableServiceLinks`, as in the
 * pod's spec, of the master Services alone. Services come in the order of their names; where two have variables of
 * one name kubelet takes either, and this the later one.
 */
export function serviceEnv(
  { services }: Pick<ClusterState, 'services'>,
  namespace: string,
  enableServiceLinks = true,
): Variable[] {
  const visible = new Map<string, Service>();
  for (const service of services.values()) {
    const { name, namespace: own } = service.metadata;
    if (!hasClusterIP(service)) continue;
    if (own === MASTER_NAMESPACE && MASTER_SERVICES.includes(name)) {
      // One of the pod's own namespace goes before it.
      if (!visible.has(name)) visible.set(name, service);
    } else if (own === namespace && enableServiceLinks) visible.set(name, service);
  }
  const inOrder = [...visible].sort(([a], [b]) => (a < b ? -1 : 1));
  return [...new Map(inOrder.flatMap(([, service]) => variablesOf(service)))];
}

/** Whether the Service has an address: it is not headless, and one was assigned. */
function hasClusterIP({ clusterIPs, ports }: Service): boolean {
  const [first = 'None'] = clusterIPs;
  return first !== 'None' && first !== '' && ports.length > 0;
}

function variablesOf(service: Service): Variable[] {
  const { ports, clusterIPs } = service;
  const [ip = ''] = clusterIPs;
  const prefix = variableName(service.metadata.name);
  const [first] = ports;
  if (first === undefined) return [];
  const links = ports.map(({ port, protocol }) => {
    const host = ip.includes(':') ? `[${ip}]` : ip;
    return { port, protocol, url: `${protocol.toLowerCase()}://${host}:${port}` };
  });
  return [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, `${first.port}`],
    ...ports.flatMap(({ name, port }): Variable[] =>
      name === '' ? [] : [[`${prefix}_SERVICE_PORT_${variableName(name)}`, `${port}`]],
    ),
    // As Docker's links had them; the first port stands for the Service.
    ...links.flatMap(({ port, protocol, url }, index): Variable[] => {
      const link = `${prefix}_PORT_${port}_${protocol}`;
      return [
        ...(index === 0 ? [[`${prefix}_PORT`, url] as const] : []),
        [link, url],
        [`${link}_PROTO`, protocol.toLowerCase()],
        [`${link}_PORT`, `${port}`],
        [`${link}_ADDR`, ip],
      ];
    }),
  ];
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}
