require('./register');
require('./command').main(process.argv.slice(2));
