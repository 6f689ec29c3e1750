import type { AgentStatus } from '../../../agent/status/status.ts';
import { formatTable } from '../../output.ts';

/** So many of a list are shown to people; JSON has more. */
const ROWS_MAX = 20;

/** A status for people. Pure. */
export function formatStatus(status: AgentStatus): string {
  return [
    header(status),
    degraded(status),
    sources(status),
    proxy(status),
    dns(status),
    pods(status),
    nodes(status),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** The same in one line, for a log. Pure. */
export function formatLine({
  at,
  notReady,
  degraded: wrong,
  proxy: rules,
  dns: names,
}: AgentStatus) {
  const states = [...new Set(wrong.map(({ state }) => state))];
  const health = states.length === 0 ? 'well' : `degraded: ${states.join(', ')}`;
  const sync = rules.lastSync === null ? 'no sync' : `last sync ${rules.lastSync.durationMs} ms`;
  return `${at} ${notReady === null ? 'ready' : `not ready (${notReady})`}; ${rules.services} Services, ${sync}; ${names.answersPerSecond} answers/s; ${health}\n`;
}

function header({ version, nodeName, pid, uptimeSeconds, memoryBytes, notReady }: AgentStatus) {
  const ready = notReady === null ? 'ready' : `not ready: ${notReady}`;
  const memory = `${Math.round(memoryBytes / (1 << 20))} MiB`;
  return `podwire ${version} on ${nodeName}, process ${pid}, up ${formatSeconds(uptimeSeconds)}, ${memory}: ${ready}\n`;
}

function degraded({ degraded: wrong, at }: AgentStatus): string {
  if (wrong.length === 0) return 'Nothing is degraded.\n';
  const rows = wrong
    .slice(0, ROWS_MAX)
    .map(({ state, about, since, text, todo }) => [
      state,
      age(since, at),
      [about, text].filter((part) => part !== '' && !text.startsWith(`${part}:`)).join(': '),
      todo,
    ]);
  return table(['DEGRADED', 'FOR', 'WHAT IS WRONG', 'WHAT TO DO'], rows, wrong.length);
}

function sources({ sources: all, at }: AgentStatus): string {
  const rows = all.map(
    ({ kind, place, state, heardAt, staleSince, objects, errors, errorCount }) => [
      kind,
      place,
      staleSince === null ? state : `${state} for ${age(staleSince, at)}`,
      heardAt === null ? '-' : `${age(heardAt, at)} ago`,
      `${objects}`,
      errorCount === 0 ? '-' : `${errorCount}: ${errors[0] ?? ''}`,
    ],
  );
  return formatTable(['SOURCE', 'PLACE', 'STATE', 'HEARD', 'OBJECTS', 'ERRORS'], rows);
}

function proxy({ proxy: rules, objects, at }: AgentStatus): string {
  const { backend, synced, protection, services, routes, lastSync, syncCount, failureCount } =
    rules;
  const last =
    lastSync === null
      ? ['-', '-', '-']
      : [
          `${age(lastSync.at, at)} ago`,
          `${lastSync.durationMs} ms`,
          `${lastSync.changes ?? 'failed'}`,
        ];
  const head = ['PROXY', 'SYNCED', 'OWNED', 'SERVICES', 'SLICES', 'ROUTES', 'LAST SYNC', 'TOOK', 'CHANGES', 'SYNCS', 'FAILED']; // biome-ignore format: one line
  const row = [
    backend,
    synced ? 'yes' : 'no',
    protection === null ? '-' : protection.isOwned ? 'yes' : 'no',
    `${services}`,
    `${objects.endpointSlices}`,
    `${routes}`,
    ...last,
    `${syncCount}`,
    `${failureCount}`,
  ];
  const refused = rules.quarantined.map(({ service, error }) => [service, error]);
  const quarantine =
    refused.length === 0
      ? ''
      : `\n${table(['QUARANTINED', 'THE KERNEL SAYS'], refused, rules.quarantinedCount)}`;
  return `${formatTable(head, [row])}${quarantine}`;
}

function dns({ dns: names, at }: AgentStatus): string {
  const { servers, tableBytes, generation, publishedAt, answersPerSecond, rcodes } = names;
  const published = publishedAt === null ? '-' : `${age(publishedAt, at)} ago`;
  const head = ['DNS', 'NAMES', 'TABLE', 'GENERATION', 'PUBLISHED', 'ANSWERS/S', 'COREFILE'];
  const row = [
    servers.map(({ label }) => label).join(' '),
    `${names.names}`,
    `${Math.ceil(tableBytes / 1024)} KiB`,
    `${generation}`,
    published,
    `${answersPerSecond}`,
    names.corefile ?? '-',
  ];
  const codes = rcodes.map(({ rcode, total, perSecond }) => [rcode, `${total}`, `${perSecond}`]);
  const counted =
    codes.length === 0 ? '' : `\n${formatTable(['RCODE', 'ANSWERS', 'A SECOND'], codes)}`;
  return `${formatTable(head, [row])}${counted}`;
}

function pods({ pods: { reservations, reservationCount, attachmentCount, errors } }: AgentStatus) {
  const networks = new Map<string, number>();
  for (const { network } of reservations) networks.set(network, (networks.get(network) ?? 0) + 1);
  const rows = [...networks].map(([network, count]) => [network, `${count}`]);
  const summary = `Pods: ${reservationCount} addresses reserved, ${attachmentCount} links into other namespaces.\n`;
  const failed = errors.map((error) => `Pods: ${error}\n`).join('');
  const listed = rows.length === 0 ? '' : table(['NETWORK', 'RESERVED'], rows, rows.length);
  return `${summary}${failed}${listed}`;
}

function nodes({ nodes: all, nodeCount }: AgentStatus): string {
  const rows = all
    .slice(0, ROWS_MAX)
    .map(({ name, isOwn, addresses, podCIDRs }) => [
      `${name}${isOwn ? ' (this)' : ''}`,
      addresses.join(' ') || '-',
      podCIDRs.join(' ') || '-',
    ]);
  return rows.length === 0 ? '' : table(['NODE', 'ADDRESSES', 'POD CIDRS'], rows, nodeCount);
}

/** A table that says how many rows there are beyond those it shows. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  count: number,
): string {
  const shown = rows.slice(0, ROWS_MAX);
  const more = count > shown.length ? `... and ${count - shown.length} more\n` : '';
  return `${formatTable(head, shown)}${more}`;
}

function age(since: string, at: string): string {
  return formatSeconds(Math.max(0, Math.round((Date.parse(at) - Date.parse(since)) / 1000)));
}

/** Two units at most, such as `2h 5m`. Pure. */
export function formatSeconds(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first === -1) return '0s';
  let rest = seconds;
  return units
    .slice(first, first + 2)
    .flatMap(([unit, length]) => {
      const count = Math.floor(rest / length);
      rest -= count * length;
      return count === 0 ? [] : [`${count}${unit}`];
    })
    .join(' ');
}
