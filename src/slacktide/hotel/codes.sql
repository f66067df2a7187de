-- Codes that are the same for every property. They come with the schema and do not move with a property.

-- ISO 3166-1 alpha-3, and two that the bookings use: CN (China, in two letters) and TMP (East Timor until 2002).
insert into hotel.country (code)
select unnest(string_to_array(btrim(regexp_replace($$
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA
    BGD BGR BHR BHS BIH BLM BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN
    CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR CYM CYP CZE DEU DJI DMA DNK DOM DZA ECU
    EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB GIN GLP GMB GNB
    GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL
    ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO
    LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR
    MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL NRU NZL OMN PAK PAN PCN PER
    PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU SDN SEN SGP SGS SHN SJM
    SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK
    TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB VIR VNM
    VUT WLF WSM YEM ZAF ZMB ZWE CN TMP
$$, '\s+', ' ', 'g')), ' '));

insert into hotel.currency (code) values ('EUR'), ('GBP'), ('USD'), ('CHF'), ('BRL'), ('SEK'), ('JPY');

insert into hotel.transaction_code (code, name, kind) values
    ('1000', 'Accommodation', 'charge'),
    ('1010', 'City tax', 'charge'),
    ('1020', 'Cancellation or no show', 'charge'),
    ('2000', 'Restaurant', 'charge'),
    ('2100', 'Bar', 'charge'),
    ('2200', 'Minibar', 'charge'),
    ('3000', 'Telephone', 'charge'),
    ('3100', 'Laundry', 'charge'),
    ('3200', 'Parking', 'charge'),
    ('3300', 'Banquet', 'charge'),
    ('7000', 'Package allowance', 'package'),
    ('7010', 'Package use', 'package'),
    ('8000', 'Deposit received', 'deposit'),
    ('8010', 'Deposit applied', 'deposit'),
    ('9000', 'Cash', 'payment'),
    ('9010', 'Card', 'payment'),
    ('9020', 'Bank transfer', 'payment'),
    ('9100', 'Transfer to accounts receivable', 'transfer');
