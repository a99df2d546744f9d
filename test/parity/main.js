// Figures shall not depend on which kernels are faster here.
process.env.EARLYBIRD_KERNELS ??= 'rule';

require('./register');
require('./command').main(process.argv.slice(2));
