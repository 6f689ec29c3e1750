import { ADMIN_SOCKET } from '../../admin/place.ts';
import { HEALTHZ_PORT, KUBE_PROXY_DEFAULTS, METRICS_PORT } from '../../kube-proxy/settings.ts';
import { option } from '../option.ts';
import { bindAddress, boolean, path } from '../value-type.ts';

/** Where the agent is asked how it is. */
export const HTTP = {
  'http.healthzBindAddress': option({
    flag: 'healthz-bind-address',
    type: bindAddress(HEALTHZ_PORT),
    default: KUBE_PROXY_DEFAULTS.healthzBindAddress,
    doc: 'IP and port of /healthz, /livez and /readyz; empty for none',
    change: 'live',
    kubeProxy: ({ healthzBindAddress }) => healthzBindAddress,
  }),
  'http.metricsBindAddress': option({
    flag: 'metrics-bind-address',
    type: bindAddress(METRICS_PORT),
    default: KUBE_PROXY_DEFAULTS.metricsBindAddress,
    doc: 'IP and port of /metrics and /proxyMode; empty for none',
    change: 'live',
    kubeProxy: ({ metricsBindAddress }) => metricsBindAddress,
  }),
  'http.bindAddressHardFail': option({
    flag: 'bind-address-hard-fail',
    type: boolean,
    default: KUBE_PROXY_DEFAULTS.bindAddressHardFail,
    doc: 'end when one of these is taken, instead of trying again',
    change: 'live',
    kubeProxy: ({ bindAddressHardFail }) => bindAddressHardFail,
  }),
  'http.adminSocket': option({
    flag: 'admin-socket',
    type: path('a Unix socket, or "" for none', String),
    default: ADMIN_SOCKET,
    doc: 'the Unix socket on which root may ask, as "podwire status" does; "" for none',
    change: 'restart',
  }),
};
