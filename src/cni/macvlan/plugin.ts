import { sublinkPlugin } from '../sublink/plugin.ts';
import { parseMacvlan } from './config.ts';

/** Gives a pod an interface with a MAC address of its own on a link of the node. */
export const macvlan = sublinkPlugin(
  'macvlan',
  'macvlan (podwire): gives a pod an interface with its own MAC address on a link of the node',
  parseMacvlan,
);
