import type { ClusterObject, Protocol } from '../../../src/cluster/objects.ts';
import type { Client, Family, Place, PodName } from './world.ts';

/** What a case changes of the proxy's settings; all else is as a node of a usual cluster has it. */
export interface CaseSettings {
  /** Without a detector, pods can't be told from others. */
  readonly detector?: 'cluster-cidr' | 'none';
  readonly masqueradeAll?: boolean;
  readonly externalIPs?: boolean;
  readonly proxyName?: string;
  /** Where node ports are served: the Node's addresses, all, loopback too, or a prefix. */
  readonly nodePortAddresses?: 'primary' | 'all' | 'nodes-cidr';
  /** The zone of N1; empty for none. */
  readonly zone?: string;
}

/** One connection and what must become of it. */
export interface Probe {
  readonly from: Client;
  readonly to: Place;
  readonly port: number;
  readonly protocol?: Protocol;
  /** The client's own port. Over UDP, whoever sends from it again goes on with the same flow. */
  readonly fromPort?: number;
  /** Its flow is older than the step and leads on where it led, whatever the rules say of new ones. */
  readonly goesOn?: true;
  /** A client that stays with its endpoint over all probes of this name, as long as they admit it. */
  readonly sticky?: string;
  /** It stays over this time without a connection; each connection begins the time anew. */
  readonly keepsForMs?: number;
  /** After this time without a connection it is like a new one. */
  readonly forgetsAfterMs?: number;
  /** The pods it may reach, all of which are reached in the end; or how it fails. */
  readonly expect: readonly PodName[] | 'reject' | 'drop' | 'pass';
  /** What becomes of it where rules are for ports of Services alone, and no set has all cluster IPs. */
  readonly expectWithoutSets?: 'pass';
  /** Whether the endpoint sees an address of N1 instead of the client's. */
  readonly masquerade?: boolean;
  /** The only family it is about; by default both. */
  readonly family?: Family;
}

/** A state of the cluster and what holds in it. */
export interface Step {
  readonly objects: readonly ClusterObject[];
  readonly settings?: CaseSettings;
  readonly probes: readonly Probe[];
}

/** A case of the suite; its steps follow each other on one proxy. */
export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}
