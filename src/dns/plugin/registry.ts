import { acl } from './acl/plugin.ts';
import { any } from './any/plugin.ts';
import { autopath } from './autopath/plugin.ts';
import { bind } from './bind/plugin.ts';
import { bufsize } from './bufsize/plugin.ts';
import { cache } from './cache/plugin.ts';
import { errors } from './errors/plugin.ts';
import { forward } from './forward/plugin.ts';
import { health } from './health/plugin.ts';
import { hosts } from './hosts/plugin.ts';
import { kubernetes } from './kubernetes/plugin.ts';
import { loadbalance } from './loadbalance/plugin.ts';
import { log } from './log/plugin.ts';
import { loop } from './loop/plugin.ts';
import type { PluginModule } from './plugin.ts';
import { prometheus } from './prometheus/plugin.ts';
import { ready } from './ready/plugin.ts';
import { reload } from './reload/plugin.ts';
import { rewrite } from './rewrite/plugin.ts';
import { template } from './template/plugin.ts';
import { transfer } from './transfer/plugin.ts';

/** All plugins in the order a query meets them: that of CoreDNS v1.15, whatever the Corefile's is. */
export const PLUGINS: readonly PluginModule[] = [
  reload,
  bufsize,
  bind,
  ready,
  health,
  prometheus,
  errors,
  log,
  any,
  loadbalance,
  rewrite,
  autopath,
  acl,
  cache,
  template,
  transfer,
  hosts,
  kubernetes,
  loop,
  forward,
];

const OTHER_SERVER = 'run a server that has the zone and forward to it';

/** What CoreDNS has and we have not, with what there is instead. */
export const UNSUPPORTED: Readonly<Record<string, string>> = {
  auto: OTHER_SERVER,
  azure: OTHER_SERVER,
  cancel: 'every query has 5 seconds in any case',
  chaos: 'version.bind is REFUSED',
  clouddns: OTHER_SERVER,
  debug: 'use --log-level debug',
  dns64: 'the upstream has to synthesize AAAA records',
  dnssec: 'answers of the cluster are not signed',
  dnstap: 'use log',
  erratic: 'it is for tests of clients',
  etcd: OTHER_SERVER,
  file: OTHER_SERVER,
  geoip: 'there is no metadata to rewrite by',
  grpc: 'forward by UDP, TCP or tls://',
  header: 'flags are set as the RFCs have them',
  https: 'UDP and TCP are served',
  k8s_external: 'only names inside the cluster are served',
  local: 'localhost is for hosts to answer',
  metadata: 'there is no metadata',
  minimal: 'answers have no more than is needed in any case',
  multisocket: 'there is a socket for each core in any case',
  nomad: OTHER_SERVER,
  nsid: 'no server names itself',
  pprof: 'use node --cpu-prof',
  quic: 'UDP and TCP are served',
  root: 'paths are absolute, or relative to the working directory',
  route53: OTHER_SERVER,
  secondary: OTHER_SERVER,
  sign: OTHER_SERVER,
  timeouts: 'TCP connections are closed after 10 seconds without a query',
  tls: 'UDP and TCP are served; forward can use tls://',
  trace: 'use log and the metrics',
  tsig: 'who may transfer zones is told by their addresses',
  view: 'use acl, or a server block for each zone',
  whoami: 'it is for tests of clients',
};
