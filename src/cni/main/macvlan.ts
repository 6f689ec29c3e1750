import { runAsPlugin } from '../executable.ts';
import { macvlan } from '../macvlan/plugin.ts';

runAsPlugin(macvlan);
