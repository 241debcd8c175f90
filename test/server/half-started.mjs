/** A server of two processes, the first of which ends before it serves. Says the code of the error; its argument is the configuration. */
import cluster from 'node:cluster';

if (cluster.worker?.id === 1) process.exit(1);
const { readConfig } = await import('../../dist/config/config.js');
const { isMember, serveAsMember, startCluster } = await import('../../dist/server/cluster.js');
const reread = () => readConfig({ file: process.argv[2], env: {} });
const config = await reread();
if (isMember()) await serveAsMember(config, reread);
else await startCluster(config, () => {}).catch((error) => console.log(error.code));
