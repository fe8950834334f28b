// Loaded with `node --require`: ends this process when the process that started it is gone. The parent holds the other
// end of our standard input, so even a parent that was killed leaves no server behind. A second after the polite
// signal the process ends anyway (a client may hold a connection open).
'use strict';

process.stdin.on('end', () => {
  setTimeout(() => process.exit(0), 1000).unref();
  process.kill(process.pid, 'SIGTERM');
});
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
