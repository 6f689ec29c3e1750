import type { Addr } from '../../ipaddr/addr.ts';

/** Which of the zones' contents a name belongs to: one cluster's, or that of several. */
export type View = 'cluster' | 'clusterset';

/** One SRV record: a port and whose it is. */
export interface PlannedTarget {
  readonly port: number;
  /** The labels before the Service's name, such as `web-0`; empty for the Service itself. */
  readonly host: string;
}

/** What is at one name, relative to the zone: `web.default.svc`. Without anything it only exists. */
export interface PlannedName {
  /** In lower case, without a dot at the end. */
  readonly name: string;
  readonly addresses?: readonly Addr[];
  /** The addresses lead back to this name, as those of a Service or of an endpoint of one. */
  readonly reverse?: 'service' | 'endpoint';
  readonly srv?: {
    readonly weight: number;
    readonly targets: readonly PlannedTarget[];
  };
  /** How many labels stand before the Service's name, from which SRV targets take theirs. */
  readonly before?: number;
  /** The name has the addresses of the Service, too. */
  readonly hasServiceAddresses?: boolean;
  /** Where an ExternalName leads. */
  readonly cname?: string;
  readonly txt?: string;
  /** What the names below are that are not there themselves; the default is that they don't exist. */
  readonly below?: 'empty' | 'service' | 'pods';
}
