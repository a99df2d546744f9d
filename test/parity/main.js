// Figures do not depend on what is faster here.
process.env.EARLYBIRD_KERNELS ??= 'rule';

require('./register');
require('./command').main(process.argv.slice(2));
