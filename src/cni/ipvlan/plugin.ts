import { sublinkPlugin } from '../sublink/plugin.ts';
import { parseIpvlan } from './config.ts';

/** Gives a pod an interface that shares the MAC address of a link of the node. */
export const ipvlan = sublinkPlugin(
  'ipvlan',
  'ipvlan (podwire): gives a pod an interface that shares the MAC address of a link of the node',
  parseIpvlan,
);
