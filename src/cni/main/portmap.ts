import { runAsPlugin } from '../executable.ts';
import { portmap } from '../portmap/plugin.ts';

runAsPlugin(portmap);
