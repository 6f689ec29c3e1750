import { availableParallelism } from 'node:os';
import { option } from '../option.ts';
import { address, choice, integer, listOf, maybe, network, path, text } from '../value-type.ts';

/** The answers of a Corefile that can be logged. */
const LOG_CLASSES = ['success', 'denial', 'error'] as const;

const COREFILE = ['dns.corefile', 'dns.corefileText'] as const;

/** The DNS server. */
export const DNS = {
  'dns.corefile': option({
    flag: 'corefile',
    type: maybe(path('a file')),
    default: undefined,
    doc: "CoreDNS's configuration, to forward and all else it says (CoreDNS's -conf)",
    change: 'live',
  }),
  'dns.corefileText': option({
    type: maybe(text('a Corefile')),
    default: undefined,
    doc: 'the same, here instead of in a file of its own',
    change: 'live',
    excludedBy: ['dns.corefile'],
  }),
  'dns.clusterDomain': option({
    flag: 'cluster-domain',
    type: text('a domain'),
    default: 'cluster.local',
    doc: 'the zone of Service names; a Corefile says it itself',
    change: 'restart',
    excludedBy: COREFILE,
  }),
  'dns.ttlSeconds': option({
    flag: 'dns-ttl',
    type: integer(0, 3600),
    default: 5,
    doc: 'TTL of records in seconds; a Corefile says it itself',
    change: 'restart',
    excludedBy: COREFILE,
  }),
  'dns.address': option({
    flag: 'dns-address',
    type: text('an IP address'),
    default: '::',
    doc: 'address to answer DNS on',
    change: 'restart',
  }),
  'dns.port': option({
    flag: 'dns-port',
    type: integer(0, 65_535),
    default: 53,
    doc: "port to answer DNS on, where a Corefile's server block names none",
    change: 'restart',
  }),
  'dns.workers': option({
    flag: 'dns-workers',
    type: integer(1, 256),
    default: availableParallelism(),
    defaultDoc: 'as many as there are cores',
    doc: 'DNS threads',
    change: 'restart',
  }),
  'dns.nodeLocal': option({
    flag: 'dns-node-local',
    takesWords: true,
    type: listOf(address),
    default: [],
    doc: 'addresses to answer DNS on instead, which this node takes over',
    change: 'restart',
  }),
  'dns.transferTo': option({
    flag: 'dns-transfer-to',
    takesWords: true,
    type: listOf(network),
    default: [],
    doc: 'addresses and networks that may transfer zones; nobody else may',
    change: 'restart',
  }),
  'dns.logClasses': option({
    flag: 'dns-log-class',
    takesWords: true,
    type: listOf(choice(LOG_CLASSES)),
    default: [],
    doc: 'answers of a Corefile to write to the debug log; slower, for no thread answers alone',
    change: 'restart',
    needs: COREFILE,
  }),
};
